package message_test

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

// The subject of a mutation names its account, catalog and catalog type.
func ExampleSubject() {
	subject, _ := message.Subject(catalog.Lane{Account: "acme-meta", Catalog: "products", Type: "PRODUCT_ITEM"})
	fmt.Println(subject)
	_, problem := message.Subject(catalog.Lane{Account: "acme meta", Catalog: "products", Type: "PRODUCT_ITEM"})
	fmt.Println(problem.Text)
	// Output:
	// catalog.mutations.acme-meta.products.PRODUCT_ITEM
	// the subject's account "acme meta" must be 1 to 128 of the characters A-Z a-z 0-9 _ -
}

// A subject is read in both forms: the producer's, and that with the partition under
// which the server stores the message.
func ExampleParseSubject() {
	for _, subject := range []string{"catalog.mutations.acme.us.RETAIL", "catalog.p.17.acme.us.RETAIL", "catalog.acme.us"} {
		lane, problem := message.ParseSubject(subject)
		if problem != nil {
			fmt.Println(problem.Text)
			continue
		}
		fmt.Println(lane.Account, lane.Catalog, lane.Type)
	}
	// Output:
	// acme us RETAIL
	// acme us RETAIL
	// the subject must be catalog.mutations.<account>.<catalog>.<catalog_type>
}

// A message that breaks the contract is read as far as it can be.
func ExampleDecode() {
	arrival := message.Decode(message.Raw{
		Subject: "catalog.mutations.acme.us.RETAIL",
		Headers: map[string][]string{"Nats-Msg-Id": {"price-4711"}},
		Data:    []byte(`{"item_id":"SKU-1","operation":"UPDATE","attributes":{"price":"89.00 USD"},"version":"7"}`),
	})
	fmt.Println(arrival.Mutation.ID, arrival.Mutation.ItemID, arrival.Mutation.Operation)
	fmt.Println(arrival.Problem)
	// Output:
	// price-4711 SKU-1 UPDATE
	// wrong_type: version must be an integer, not a string
}
