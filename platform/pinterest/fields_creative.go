package pinterest

import "github.com/catalog-courier/catalog-courier/platform/rules"

// creativeAssetsFields are the attributes of CREATIVE_ASSETS items:
// CatalogsCreativeAssetsAttributes of the OpenAPI file for CREATE and UPSERT,
// CatalogsUpdatableCreativeAssetsAttributes for UPDATE, which knows no update_mask.
// No page says which of them an asset must have.
func creativeAssetsFields() []rules.Field {
	return []rules.Field{
		key("creative_assets_id"),
		plain("title", 0),
		plain("description", 0),
		link("link", 0, 0),
		link("image_link", 0, fixed),
		link("video_link", 0, fixed),
		deepLink("android_deep_link", nullable),
		deepLink("ios_deep_link", nullable),
		plain("google_product_category", nullable),
		maxLength(511, plain("custom_label_{0..4}", nullable)),
		oneOf("visibility", nullable, "visible", "hidden"),
	}
}
