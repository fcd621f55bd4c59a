package sandbox

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestPinterestSchemasAreThoseOfTheSpecification holds the simulated Pinterest to
// the OpenAPI file, as the client is held to it apart from this.
func TestPinterestSchemasAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	shared := os.Getenv("COURIER_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, "specs", "pinterest", "openapi.catalogs-items.json")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("Pinterest's OpenAPI file is not at %s; set COURIER_SHARED to the folder with specs/", path)
	}
	document, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	schemas := document.Components.Schemas
	masks := schemas["UpdateMaskFieldType"].Value.Enum
	for name, names := range map[catalog.Type][2]string{
		"RETAIL":          {"ItemAttributesRequest", "UpdatableItemAttributes"},
		"HOTEL":           {"CatalogsHotelAttributes", "CatalogsUpdatableHotelAttributes"},
		"CREATIVE_ASSETS": {"CatalogsCreativeAssetsAttributes", "CatalogsUpdatableCreativeAssetsAttributes"},
	} {
		known := pinterestTypes()[name]
		properties, updatable := propertiesOf(schemas[names[0]].Value), propertiesOf(schemas[names[1]].Value)
		require.Len(t, known.attributes, len(properties), name)
		maskable := 0
		for attribute, property := range properties {
			have, ok := known.attributes[attribute]
			require.True(t, ok, "%s.%s", name, attribute)
			require.Equal(t, jsonKindsOf(property.Value), have.kinds, "%s.%s", name, attribute)
			require.Equal(t, property.Value.Nullable, have.nullable, "%s.%s", name, attribute)
			require.Equal(t, updatable[attribute] == nil, have.fixed, "%s.%s", name, attribute)
			if limit := property.Value.MaxLength; limit != nil {
				require.EqualValues(t, *limit, have.maxLength, "%s.%s", name, attribute)
			}
			if have.maskable {
				require.Contains(t, masks, attribute)
				maskable++
			}
		}
		if name == "RETAIL" {
			require.Equal(t, len(masks), maskable)
		} else {
			require.Zero(t, maskable)
		}
	}
}

func propertiesOf(schema *openapi3.Schema) openapi3.Schemas {
	all := openapi3.Schemas{}
	maps.Copy(all, schema.Properties)
	for _, part := range schema.AllOf {
		maps.Copy(all, propertiesOf(part.Value))
	}
	return all
}

func jsonKindsOf(schema *openapi3.Schema) (found jsonKinds) {
	for _, one := range schema.OneOf {
		found |= jsonKindsOf(one.Value)
	}
	for name, kind := range map[string]jsonKinds{
		"string": jsonString, "integer": jsonInteger, "number": jsonNumber, "boolean": jsonBoolean, "array": jsonArray, "object": jsonObject,
	} {
		if schema.Type.Is(name) {
			found |= kind
		}
	}
	return found
}
