package catalog_test

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// The operation of a message is written in upper case.
func ExampleParseOperation() {
	for _, name := range []string{"UPSERT", "DELETE", "upsert"} {
		operation, ok := catalog.ParseOperation(name)
		fmt.Println(operation, ok, operation.NeedsAttributes())
	}
	// Output:
	// UPSERT true true
	// DELETE true false
	// UNKNOWN false false
}

// A flight of Meta's is named by its origin and its destination. A slash inside a part is
// escaped.
func ExampleJoinItemID() {
	fmt.Println(catalog.JoinItemID("BOS", "LIS"))
	fmt.Println(catalog.JoinItemID("A/B", "50%"))
	// Output:
	// BOS/LIS
	// A%2FB/50%25
}

// Split an id with the names that the platform gives to its parts; they are in the text
// of the problem.
func ExampleSplitItemID() {
	names := []string{"origin_airport", "destination_airport"}
	parts, _ := catalog.SplitItemID("BOS/LIS", names)
	fmt.Println(parts)
	_, problem := catalog.SplitItemID("BOS", names)
	fmt.Println(problem.Reason, "in", problem.Field)
	fmt.Println(problem.Text)
	// Output:
	// [BOS LIS]
	// bad_key in item_id
	// item_id "BOS" must be origin_airport/destination_airport, with "/" inside a part written %2F and "%" written %25
}
