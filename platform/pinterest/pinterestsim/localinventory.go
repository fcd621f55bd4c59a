package pinterestsim

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// The endpoint of local inventory, as API v5.28 has it: the path names the catalog, and
// another path answers what became of a batch. Whether an UPSERT replaces what is there is
// not documented; here it does.

// localPath reads the path of a call: catalogs/{id}/local_inventory_items/batch, or
// catalogs/{id}/supplemental_items/batch/{handle}.
func localPath(path string) (catalogID, handle string, found bool) {
	_, rest, _ := strings.Cut(path, "/catalogs/")
	catalogID, rest, _ = strings.Cut(rest, "/")
	if rest == "local_inventory_items/batch" {
		return catalogID, "", true
	}
	handle, found = strings.CutPrefix(rest, "supplemental_items/batch/")
	return catalogID, handle, found && handle != ""
}

func (p *Platform) serveLocal(w http.ResponseWriter, r *http.Request, catalogID, handle string) {
	face := localFace{pinterestFace{p}, catalogID}
	switch {
	case handle == "" && r.Method == http.MethodPost:
		p.Serve(w, r, face, &sandbox.Request{Call: sandbox.Submit})
	case handle != "" && r.Method == http.MethodGet:
		p.Serve(w, r, face, &sandbox.Request{Call: sandbox.Poll, Handle: handle})
	default:
		sandbox.Respond(w, pinterestError(http.StatusMethodNotAllowed, 5, "Method not allowed."))
	}
}

// placeOf is where the items of a catalog are kept: those of local inventory by the
// catalog's id alone, which is all that their endpoint is told.
func placeOf(catalogKey string, itemType catalog.Type) string {
	if itemType == localInventory {
		return catalogKey[strings.LastIndexByte(catalogKey, '/')+1:]
	}
	return catalogKey
}

// Items implements sandbox.Platform.
func (p *Platform) Items(catalogKey string, itemType catalog.Type) map[string]string {
	return p.Core.Items(placeOf(catalogKey, itemType), itemType)
}

// Apply implements sandbox.Platform.
func (p *Platform) Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error {
	return p.Core.Apply(placeOf(catalogKey, itemType), itemType, m)
}

// localFace answers for the local inventory of one catalog.
type localFace struct {
	pinterestFace
	catalogID string
}

func (f localFace) Work(request *sandbox.Request, fault sandbox.Fault) sandbox.Response {
	if request.Call == sandbox.Poll {
		f.Mu.Lock()
		defer f.Mu.Unlock()
		found := f.Batches[request.Handle]
		if found == nil || found.Key.ItemType != localInventory || found.Key.Catalog != f.catalogID {
			return noSuchBatch()
		}
		return sandbox.Response{Status: http.StatusOK, Body: f.batchOf(found, fault.Kind)}
	}
	accepted, wrong := f.read(request.Body)
	if wrong != "" {
		return pinterestError(http.StatusBadRequest, 1, "Invalid request: "+wrong)
	}
	meets, refused := f.magic(request, accepted, fault.Kind)
	if refused.Status != 0 {
		return refused
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	accepted.Skipped = f.repeats(request.Body)
	accepted.Handle = f.newNumber()
	request.Handle = accepted.Handle
	f.Accept(accepted, len(request.Body), meets)
	return sandbox.Response{Status: http.StatusOK, Body: f.batchOf(accepted, meets)}
}

func (f localFace) read(body []byte) (b *sandbox.Batch, wrong string) {
	members, wrong := f.membersOf(body)
	if wrong != "" {
		return nil, wrong
	}
	for name := range members {
		if name != "operations" {
			return nil, fmt.Sprintf("additional property %.40q", name)
		}
	}
	if !members["operations"].IsArray() {
		return nil, fmt.Sprintf("('%.40s' is not of type array)", members["operations"].Raw)
	}
	b = &sandbox.Batch{Key: sandbox.TableKey{Catalog: f.catalogID, ItemType: localInventory}}
	reader := recordReader{
		face: f.pinterestFace, form: bodyForm{operations: verticalOperations}, known: f.types[localInventory], itemType: localInventory,
	}
	return b, reader.readAll(b, members["operations"])
}

// newNumber is a batch id of digits, which is what v5.28 says of its pattern.
func (f localFace) newNumber() string {
	return fmt.Sprintf("59595%014d", f.Random.Uint64()%1e14)
}

// appendLocalKeys begins a result of SupplementalItemsBatchResponse.
func appendLocalKeys(dst []byte, id string) []byte {
	dst = append(dst, `{"supplemental_type":"LOCAL_INVENTORY"`...)
	parts, wrong := catalog.SplitItemID(id, []string{"item_id", "store_code"})
	if wrong != nil { // what a fault makes of an id
		return rawjson.AppendString(append(dst, `,"item_id":`...), id)
	}
	dst = rawjson.AppendString(append(dst, `,"item_id":`...), parts[0])
	return rawjson.AppendString(append(dst, `,"store_code":`...), parts[1])
}
