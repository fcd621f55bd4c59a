package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesAttribute(t *testing.T) {
	t.Parallel()
	attributes := []byte(`{"title":"Lamp","image_link":"https://shop.example/1.jpg","custom_label_0":"x"}`)
	for words, names := range map[string]bool{
		"(#100) Invalid parameter custom_label_0":        true,
		"'image_link' is not a valid URL":                true,
		"image_link":                                     true,
		"additional_image_link is too long":              false,
		"custom_label_01 is unknown":                     false,
		"custom_label_01 and custom_label_0 are unknown": true,
		"(#100) The parameter item_type is required":     false,
		"title is missing":                               false,
		"cannot be loaded due to missing permissions":    false,
		"żimage_link":                                    false,
		"":                                               false,
		"catalog_id 900 does not exist":                  false,
		"image_link\xff":                                 true,
		"no permission to write custom_label_0 in this product catalog": true,
	} {
		require.Equal(t, names, namesAttribute(words, attributes), "%s", words)
	}
	require.False(t, namesAttribute("image_link", nil))
	require.False(t, namesAttribute("image_link", []byte(`{`)))
}
