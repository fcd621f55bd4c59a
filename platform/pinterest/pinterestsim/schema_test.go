package pinterestsim

import (
	"maps"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestPinterestSchemasAreThoseOfTheSpecification holds the simulated Pinterest to
// the OpenAPI file, as the client is held to it apart from this.
func TestPinterestSchemasAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	document := pinterestDocument(t)
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
			requireSchema(t, string(name)+"/"+attribute, property.Value, have)
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

// pinterestDocument is the part of Pinterest's OpenAPI file that is about items.
func pinterestDocument(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromFile("../testdata/specification/openapi.json")
	require.NoError(t, err)
	return document
}

// requireSchema holds what is known of a value to the file, with all that is in it.
func requireSchema(t *testing.T, path string, want *openapi3.Schema, have attributeSchema) {
	t.Helper()
	require.Equal(t, jsonKindsOf(want), have.kinds, path)
	require.Equal(t, want.Nullable, have.nullable, path)
	for _, branch := range append(openapi3.SchemaRefs{{Value: want}}, want.OneOf...) {
		if items := branch.Value.Items; items != nil {
			require.NotNil(t, have.element, path)
			requireSchema(t, path+"/0", items.Value, *have.element)
			require.EqualValues(t, branch.Value.MinItems, have.minItems, path)
			if most := branch.Value.MaxItems; most != nil {
				require.EqualValues(t, *most, have.maxItems, path)
			} else {
				require.Zero(t, have.maxItems, path)
			}
		}
		// Nothing else of JSON Schema has a part in the file. What joins it must be simulated.
		require.Empty(t, branch.Value.Pattern, path)
		require.Empty(t, branch.Value.Enum, path)
		require.Empty(t, branch.Value.Required, path)
		require.Nil(t, branch.Value.Min, path)
		require.Nil(t, branch.Value.Max, path)
		require.Zero(t, branch.Value.MinLength, path)
		require.Empty(t, branch.Value.AnyOf, path)
		require.Nil(t, branch.Value.Not, path)
	}
	members := propertiesOf(want)
	require.Len(t, have.members, len(members), path)
	for name, member := range members {
		require.Contains(t, have.members, name, path)
		requireSchema(t, path+"/"+name, member.Value, have.members[name])
	}
}

// TestPlacesAreThoseOfTheSpecification: countries and languages, each and no other.
func TestPlacesAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	schemas := pinterestDocument(t).Components.Schemas
	for name, have := range map[string]string{"Country": pinterestCountries, "Language": pinterestLanguages, "CatalogsLocale": pinterestLocales} {
		want := make([]string, 0, len(schemas[name].Value.Enum))
		for _, value := range schemas[name].Value.Enum {
			want = append(want, value.(string))
		}
		require.ElementsMatch(t, want, strings.Fields(have), name)
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
