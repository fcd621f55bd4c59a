package pinterest

import "net/url"

// resource is where batches go, where their state is asked for, and under which name an
// answer has the results of the items.
type resource struct {
	submit, poll string // paths; poll ends before the batch's id
	results      string
	// feeds reports that a catalog that a feed fills refuses CREATE and UPSERT.
	feeds bool
}

func itemsBatch() resource {
	return resource{submit: "/catalogs/items/batch", poll: "/catalogs/items/batch/", results: "items", feeds: true}
}

// localInventoryPath is what comes after the catalog in the address.
const localInventoryPath = "/local_inventory_items/batch"

func localInventoryBatch(catalogID string) resource {
	catalogPath := "/catalogs/" + url.PathEscape(catalogID)
	return resource{
		submit: catalogPath + localInventoryPath, poll: catalogPath + "/supplemental_items/batch/",
		results: "operation_results",
	}
}
