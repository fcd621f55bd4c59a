package meta

// The types that other tests speak of.
func productItem() *catalogType { return catalogTypes()["PRODUCT_ITEM"] }

func flight() *catalogType { return catalogTypes()["FLIGHT"] }
