package metasim

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// metaType is what Meta knows of one item type.
type metaType struct {
	vertical    string   // of the catalogs that take it
	keys        []string // in the order of the contract's item id
	required    []string // besides the key
	optional    []string
	localizable []string // none: the type cannot be localized
}

// names splits a list; a name that ends with * stands for that name with 0 to 4.
func names(list string) []string {
	var all []string
	for name := range strings.FieldsSeq(list) {
		family, many := strings.CutSuffix(name, "*")
		if !many {
			all = append(all, name)
			continue
		}
		for _, digit := range "01234" {
			all = append(all, family+string(digit))
		}
	}
	return all
}

func (t *metaType) knows(name string) bool {
	return slices.Contains(t.keys, name) || slices.Contains(t.required, name) || slices.Contains(t.optional, name)
}

// metaTypes is kept apart from the client's own tables on purpose: two readings of
// the same pages. Source: references of items_batch and of localized catalogs, 2026-09.
var metaTypes = map[catalog.Type]*metaType{
	"PRODUCT_ITEM": {
		vertical: "commerce", keys: []string{"id"},
		required: names(`title description availability condition price link`),
		optional: names(`image_link image brand additional_image_link additional_variant_attribute age_group applink color
			custom_label_* custom_number_* disabled_capabilities gender google_product_category fb_product_category
			gtin mpn internal_label inventory quantity_to_sell_on_facebook item_group_id pattern size material
			product_type rating_count user_rating rich_text_description sale_price sale_price_effective_date shipping
			shipping_weight video vendor_id expiration_date mobile_link importer_name importer_address origin_country
			ordering_index status visibility product_tags short_description unit_price marked_for_product_launch`),
		localizable: names(`title description availability link brand price sale_price sale_price_effective_date color size material
			pattern custom_label_* short_description additional_variant_attribute applink image`),
	},
	"STORE_PRODUCT_ITEM": {
		vertical: "commerce", keys: []string{"retailer_item_id", "store_code"},
		optional: names(`price sale_price quantity availability sale_price_effective_date pickup_timeline pickup_method`),
	},
	"HOTEL": {
		vertical: "hotels", keys: []string{"hotel_id"},
		required: names(`name description address base_price image latitude longitude url`),
		optional: names(`applink brand custom_label_* custom_number_* guest_rating loyalty_program margin_level neighborhood phone
			sale_price star_rating priority category number_of_rooms internal_label video status`),
		localizable: names(`name description base_price sale_price brand url neighborhood longitude latitude image internal_label
			applink`),
	},
	"HOTEL_ROOM": {
		vertical: "hotels", keys: []string{"hotel_retailer_id", "hotel_room_id"},
		required: names(`name description base_price image url`),
		optional: names(`applink sale_price margin_level video status`),
	},
	"FLIGHT": {
		vertical: "flights", keys: []string{"origin_airport", "destination_airport"},
		required: names(`image`),
		optional: names(`description origin_city destination_city price one_way_price url applink custom_label_* custom_number_*
			video internal_label`),
		localizable: names(`description url origin_city destination_city price one_way_price image custom_label_* custom_number_*
			internal_label applink`),
	},
	"DESTINATION": {
		vertical: "destinations", keys: []string{"destination_id"},
		required: names(`name address image latitude longitude type url`),
		optional: names(`applink description neighborhood price price_change custom_label_* custom_number_* video internal_label`),
		localizable: names(`name description url price neighborhood longitude latitude image custom_label_* custom_number_*
			internal_label applink`),
	},
	"HOME_LISTING": {
		vertical: "home_listings", keys: []string{"home_listing_id"},
		required: names(`name availability address image price url`),
		optional: names(`applink available_dates_price_config description latitude longitude listing_type neighborhood num_baths
			num_beds num_units num_rooms price_change property_type year_built home_listing_group_id area_size
			area_unit ac_type furnish_type heating_type laundry_type parking_type partner_verification pet_policy
			status video`),
		localizable: names(`name description price url image`),
	},
	"VEHICLE": {
		vertical: "vehicles", keys: []string{"vehicle_id"},
		required: names(`title description url make model year mileage image body_style price exterior_color state_of_vehicle
			address`),
		optional: names(`latitude longitude vin availability condition drivetrain fuel_type transmission vehicle_type sale_price
			trim interior_color date_first_on_lot days_on_lot chrome_id fb_page_id status custom_label_*
			custom_number_* dealer_id dealer_name dealer_phone`),
		localizable: names(`title description price sale_price url image`),
	},
	"VEHICLE_OFFER": {
		vertical: "vehicle_offers", keys: []string{"vehicle_offer_id"},
		optional: names(`make model year availability offer_type title offer_description offer_disclaimer url image
			amount_percentage amount_qualifier term_length term_qualifier downpayment downpayment_qualifier trim
			start_date end_date market_name comscore_market_codes generation transmission drivetrain fuel_type
			body_style status exterior_color interior_color interior_upholstery`),
	},
	"APP_AND_SOFTWARE": {
		vertical: "apps_and_software", keys: []string{"id"},
		required: names(`title description availability condition image_link link`),
		optional: names(`brand price sale_price applink content_rating custom_label_* custom_number_* app_category app_subcategory
			developer genres operating_system rating_count user_rating fb_product_category google_product_category`),
	},
	"MEDIA_TITLE": {
		vertical: "media_titles", keys: []string{"id"},
		required: names(`title description availability condition image_link link`),
		optional: names(`brand price sale_price applink content_rating custom_label_* custom_number_* actor award director duration
			featuring genres global_unique_identifier media_category production_company release_date`),
	},
}
