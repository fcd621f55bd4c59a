# The part of Pinterest's OpenAPI file that the tests read: what the two request bodies
# of POST /catalogs/items/batch are made of.
.components.schemas as $all
| def refs: [.. | objects | select(has("$ref")) | .["$ref"] | ltrimstr("#/components/schemas/")] | unique;
  def reach($names): ([$names[] | $all[.] | refs[]] + $names | unique) as $more
    | if $more == $names then $names else reach($more) end;
  reach(["CatalogsItemsBatchRequest", "CatalogsVerticalBatchRequest", "UpdateMaskFieldType"] | unique) as $needed
| {openapi, info: (.info | {title, version, license}), paths: {},
   components: {schemas: ($all | with_entries(select(.key | IN($needed[]))))}}
