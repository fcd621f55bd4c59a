package catalog

// Operation is what a mutation does to its item. The zero value is no operation.
type Operation uint8

// The operations a producer may ask for. Not every platform knows each of them;
// an endpoint refuses the others as unsupported_operation.
const (
	Create Operation = iota + 1
	Upsert
	Update
	Delete
	// DeleteDiscontinued only sets the item out of stock. It exists in
	// Pinterest's legacy retail body alone.
	DeleteDiscontinued
)

var operationNames = [...]string{
	Create:             "CREATE",
	Upsert:             "UPSERT",
	Update:             "UPDATE",
	Delete:             "DELETE",
	DeleteDiscontinued: "DELETE_DISCONTINUED",
}

// Operations lists every operation, in the order of the merge table.
func Operations() []Operation {
	return []Operation{Create, Upsert, Update, Delete, DeleteDiscontinued}
}

// ParseOperation finds the operation with exactly this name (upper case, as in
// the message contract).
func ParseOperation(name string) (Operation, bool) {
	for op := Create; op <= DeleteDiscontinued; op++ {
		if operationNames[op] == name {
			return op, true
		}
	}
	return 0, false
}

func (o Operation) String() string {
	if o < Create || o > DeleteDiscontinued {
		return "UNKNOWN"
	}
	return operationNames[o]
}

// NeedsAttributes reports whether a message with this operation must carry
// attributes.
func (o Operation) NeedsAttributes() bool {
	return o == Create || o == Upsert || o == Update
}
