package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const products = "1234567890"

func body(upsert bool, requests ...string) []byte {
	return fmt.Appendf(nil, `{"item_type":"PRODUCT_ITEM","allow_upsert":%t,"requests":[%s]}`, upsert, strings.Join(requests, ","))
}

func post(t *testing.T, handler http.Handler, path string, body []byte) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sandbox.test"+path, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer token")
	return sandbox.Transport(handler).RoundTrip(request)
}

func postProducts(t *testing.T, meta *metasim.Platform, requests ...string) {
	t.Helper()
	response, err := post(t, meta, "/v25.0/"+products+"/items_batch", body(true, requests...))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestCreateOnAnExistingItemHasThreeMeanings(t *testing.T) {
	t.Parallel()
	for existing, want := range map[sandbox.CreateOnExisting]string{
		sandbox.Replace: `{"color":"red"}`, sandbox.Refuse: `{"brand":"B"}`, sandbox.LayOver: `{"brand":"B","color":"red"}`,
	} {
		meta := metasim.New(sandbox.Options{Existing: existing, AllowIncomplete: true, Delay: time.Hour})
		postProducts(t, meta, `{"method":"CREATE","data":{"id":"A","brand":"B"}}`)
		meta.Settle()
		postProducts(t, meta, `{"method":"CREATE","data":{"id":"A","color":"red"}}`)
		meta.Settle()
		require.Equal(t, map[string]string{"A": want}, meta.Items(products, "PRODUCT_ITEM"))

		direct := metasim.New(sandbox.Options{Existing: existing, AllowIncomplete: true})
		for _, attributes := range []string{`{"brand":"B"}`, `{"color":"red"}`} {
			err := direct.Apply(products, "PRODUCT_ITEM", &catalog.Mutation{
				ItemID: "A", Operation: catalog.Create, Attributes: []byte(attributes),
			})
			if err != nil {
				require.ErrorIs(t, err, sandbox.ErrNotApplied)
			}
		}
		require.Equal(t, meta.Items(products, "PRODUCT_ITEM"), direct.Items(products, "PRODUCT_ITEM"))
		meta.Close()
		direct.Close()
	}
}

func TestBatchesAreAppliedLaterAndMaybeInTheOtherOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		last := map[string]int{}
		for seed := range uint64(20) {
			meta := metasim.New(sandbox.Options{Seed: seed, AllowIncomplete: true, Delay: time.Second, Jitter: time.Second})
			postProducts(t, meta, `{"method":"UPDATE","data":{"id":"A","color":"first"}}`)
			postProducts(t, meta, `{"method":"UPDATE","data":{"id":"A","color":"second"}}`)
			require.Empty(t, meta.Items(products, "PRODUCT_ITEM"))
			require.Equal(t, 2, meta.Pending())
			time.Sleep(2 * time.Second) // the bubble's clock
			synctest.Wait()
			require.Zero(t, meta.Pending())
			last[meta.Items(products, "PRODUCT_ITEM")["A"]]++
			require.Equal(t, 1, meta.Counters().Overlaps)
			meta.Close()
		}
		require.Len(t, last, 2, "both orders happen")
	})
}

func TestAHangingPostIsAppliedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		meta := metasim.New(sandbox.Options{AllowIncomplete: true, Delay: time.Second, LateBy: time.Minute})
		defer meta.Close()
		meta.InjectNext(sandbox.Submit, sandbox.Fault{Kind: sandbox.Hang})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sandbox.test/v25.0/"+products+"/items_batch",
			bytes.NewReader(body(true, `{"method":"UPDATE","data":{"id":"A","color":"red"}}`)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer token")
		_, err = sandbox.Transport(meta).RoundTrip(request) //nolint:bodyclose // there is no answer
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, meta.Items(products, "PRODUCT_ITEM"))
		time.Sleep(time.Minute) // the bubble's clock
		synctest.Wait()
		require.Len(t, meta.Items(products, "PRODUCT_ITEM"), 1)
		require.Equal(t, 1, meta.Counters().Late)
	})
}

func TestOneBodyMayBeSentTwiceButNotTwoChangesOfOneItem(t *testing.T) {
	t.Parallel()
	meta := metasim.New(sandbox.Options{AllowIncomplete: true, Delay: time.Hour})
	defer meta.Close()
	red, blue := `{"method":"UPDATE","data":{"id":"A","color":"red"}}`, `{"method":"UPDATE","data":{"id":"A","color":"blue"}}`
	postProducts(t, meta, red)
	postProducts(t, meta, red)
	require.Zero(t, meta.Counters().Overlaps)
	meta.Settle()
	postProducts(t, meta, blue)
	require.Zero(t, meta.Counters().Overlaps)
	postProducts(t, meta, red)
	require.Equal(t, 1, meta.Counters().Overlaps)
}

func TestARuleEndsAfterItsTimes(t *testing.T) {
	t.Parallel()
	meta := metasim.New(sandbox.Options{AllowIncomplete: true, Delay: time.Hour, Rules: []sandbox.ItemRule{
		{Contains: "A", Action: sandbox.RefuseItem, Times: 2},
	}})
	defer meta.Close()
	for i := range 3 {
		postProducts(t, meta, `{"method":"UPDATE","data":{"id":"A","color":"red"}}`)
		meta.Settle()
		require.Len(t, meta.Items(products, "PRODUCT_ITEM"), i/2)
	}
}

func TestBodiesThatPinterestRefuses(t *testing.T) {
	t.Parallel()
	pinterest := pinterestsim.New(sandbox.Options{})
	defer pinterest.Close()
	item := `{"item_id":"A","operation":"UPDATE","attributes":{"price":"1 USD"}}`
	valid := `{"catalog_type":"RETAIL","country":"US","language":"en-US","items":[` + item + `]}`
	refused := []string{
		``, `[]`, `{`, strings.Replace(valid, `"US"`, `"us"`, 1), strings.Replace(valid, `en-US`, `en_US`, 1),
		strings.Replace(valid, `{"catalog_type"`, `{"operation":"UPDATE","catalog_type"`, 1), strings.Replace(valid, item, ``, 1),
		strings.Replace(valid, item, strings.Repeat(item+",", 1000)+item, 1), strings.Replace(valid, `"UPDATE"`, `"DELETE_DISCONTINUED"`, 1),
		strings.Replace(valid, `{"price"`, `{"image_link":"x","price"`, 1), strings.Replace(valid, `"1 USD"`, `null`, 1),
		strings.Replace(valid, `"A"`, `7`, 1), strings.Replace(valid, `"UPDATE",`, `"UPDATE","update_mask":["mobile_link"],`, 1),
	}
	for _, text := range refused {
		response, err := post(t, pinterest, "/v5/catalogs/items/batch", []byte(text))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode, "%.200s", text)
	}
	response, err := post(t, pinterest, "/v5/catalogs/items/batch", []byte(valid))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestThePageForPeopleListsItems(t *testing.T) {
	t.Parallel()
	meta := metasim.New(sandbox.Options{})
	defer meta.Close()
	require.NoError(t, meta.Apply(products, "FLIGHT", &catalog.Mutation{
		ItemID: "BOS/JFK", Operation: catalog.Upsert, Attributes: []byte(`{"image":[{"url":"x"}],"price":null}`), HasNull: true,
	}))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sandbox.test/", nil)
	require.NoError(t, err)
	response, err := sandbox.Transport(meta).RoundTrip(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var page bytes.Buffer
	_, err = page.ReadFrom(response.Body)
	require.NoError(t, err)
	require.Contains(t, page.String(), "BOS/JFK")
	require.Equal(t, map[string]string{"BOS/JFK": `{"image":[{"url":"x"}]}`}, meta.Items(products, "FLIGHT"))
}

func benchmarkBody(b *testing.B, skipValidation bool) {
	b.Helper()
	const items = 5000
	requests := make([]string, items)
	description := strings.Repeat("light ", 75)
	for i := range requests {
		requests[i] = fmt.Sprintf(`{"method":"UPDATE","data":{"id":"SKU-%06d","title":"A lamp","description":"%s","availability":"in stock",`+
			`"condition":"new","price":"24.99 USD","link":"https://example.com/lamp"}}`, i, description)
	}
	text := body(true, requests...)
	meta := metasim.New(sandbox.Options{SkipValidation: skipValidation, Delay: time.Hour})
	defer meta.Close()
	transport := sandbox.Transport(meta)
	b.ReportAllocs()
	for b.Loop() {
		request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://sandbox.test/"+products+"/items_batch", bytes.NewReader(text))
		request.Header.Set("Authorization", "Bearer token")
		response, err := transport.RoundTrip(request) //nolint:bodyclose // it is in memory
		if err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(err)
		}
		meta.Settle()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
}

func BenchmarkBody(b *testing.B) {
	b.Run("validated", func(b *testing.B) { benchmarkBody(b, false) })
	b.Run("trusted", func(b *testing.B) { benchmarkBody(b, true) })
}

func TestRepeatedRecordsAreCounted(t *testing.T) {
	t.Parallel()
	meta := metasim.New(sandbox.Options{AllowIncomplete: true, Delay: time.Hour})
	t.Cleanup(meta.Close)
	for _, color := range []string{"red", "red", "blue", "red"} {
		postProducts(t, meta, `{"method":"UPDATE","data":{"id":"A","color":"`+color+`"}}`)
	}
	require.Equal(t, 1, meta.Counters().Repeats)
}

func TestThePlanOfFaultsCanChange(t *testing.T) {
	t.Parallel()
	meta := metasim.New(sandbox.Options{AllowIncomplete: true, Delay: time.Hour})
	t.Cleanup(meta.Close)
	try := func() error {
		response, err := post(t, meta, "/v25.0/"+products+"/items_batch", body(true, `{"method":"UPDATE","data":{"id":"A"}}`))
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	require.NoError(t, try())
	meta.SetPlan([]sandbox.PlannedFault{{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Reset}, Rate: 1}})
	require.Error(t, try())
	meta.SetPlan(nil)
	require.NoError(t, try())
}
