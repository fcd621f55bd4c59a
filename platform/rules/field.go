package rules

// Type is a set of JSON types.
type Type uint8

// The JSON types. Integer is a number written without fraction and exponent.
const (
	String Type = 1 << iota
	Number
	Integer
	Boolean
	Object
	List
)

// Trait is a set of things that may be done with a field, and of how its rules hold.
type Trait uint16

// The traits.
const (
	Nullable         Trait = 1 << iota // CREATE and UPSERT may say null
	Fixed                              // UPDATE cannot carry it
	Maskable                           // Pinterest's update_mask can name it
	Localizable                        // a localized record may carry it
	CountryOnly                        // localized for a country only, not for a language
	RequiredTogether                   // a localized object has all such members, or none at all
	OneCurrency                        // has the currency of the price that it must be lower than

	// Enforced says that the platform refuses a whole request where one value has
	// another JSON type, so that such a value is invalid on every level. It goes for
	// elements and members too.
	Enforced
	EnforcedLength // the same of a longer text than MaxLength
	EnforcedCount  // the same of a list outside MinItems and MaxItems
)

// never is a trait that no field has.
const never Trait = 1 << 15

// The values of Field.Cleared: what clears a field on Meta.
const (
	EmptyString = `""`
	EmptyList   = `[]`
	Null        = `null`
)

// Field is one row of a table: all that is known about one attribute. The zero
// value of each member means that there is no such rule.
type Field struct {
	// Name is the attribute's, or a family's: "ad_image_{0..19}_link".
	Name string
	// Key is the part of the item's key that the field repeats, counted from 1. It
	// may be left out, so it is never missing; its other rules go for the key too.
	Key int
	// Types are the JSON types the value may have.
	Types Type
	// Required fields must be there when an item is created, and in nested objects
	// always. AlternativeTo names a field that makes up for a missing one.
	Required      bool
	AlternativeTo string
	// Requires names a field without which this one means nothing.
	Requires string
	// LessThan names a price that this one must be lower than, where both are there and
	// have the same currency. With OneCurrency another currency is wrong too.
	LessThan string
	// AsMany names a list that must have as many entries, where both are there.
	AsMany string
	// Overrides names fields that the platform ignores where this one has a value.
	Overrides []string
	// MaxLength is the longest text in characters (code points).
	MaxLength int
	// Values are the only ones allowed, in either case. Contested ones stand in one
	// source and not in another: they warn on both levels that look at values.
	Values    []string
	Contested []string
	// Format is how the text of a string or a number reads.
	Format Format
	// MinItems and MaxItems are the bounds of a list; Element is what each of its
	// values obeys, without a name.
	MinItems, MaxItems int
	Element            *Field
	// Members are the fields of a nested object; nil when anything goes.
	Members []Field
	Traits  Trait
	// Cleared is the value that clears the field, raw JSON; "" when nothing does.
	Cleared string
	// Source says where the rule is written, for people. Nested fields without one
	// have their parent's.
	Source string
	// Doubt says which other source contradicts this row, and how; "" when none
	// does.
	Doubt string
}

// Has reports whether the field has all these traits.
func (f *Field) Has(traits Trait) bool { return f.Traits&traits == traits }

// Clearable reports whether a value exists that clears the field.
func (f *Field) Clearable() bool { return f.Cleared != "" }
