package reason

// findingEntries explain the kinds of findings of feeds and webhooks. A finding that is an
// error keeps its item from being sent; the others are notes.
func findingEntries() []Entry {
	entry := func(code, meaning, action string) Entry {
		return Entry{Kind: Finding, Code: code, Meaning: meaning, Action: action, Who: Shop}
	}
	byOperator := func(code, meaning, action string) Entry {
		e := entry(code, meaning, action)
		e.Who = Operator
		return e
	}
	return []Entry{
		// Of readers of files.
		byOperator("ENCODING", "The file is not in the encoding that it declares, or not in UTF-8.", "Export the file as UTF-8, or name its encoding in the source."),
		byOperator("DELIMITER", "Two delimiters are equally likely in the header.", "Name the delimiter in the source."),
		entry("LINE_ENDS", "Lines end with CR alone, as on old Macs.", "Nothing: they are read as lines. Export with LF where you can."),
		entry("COMMENT_LINES", "Comment lines before the header were skipped.", "Nothing, if the first line of the table is the header."),
		entry("HEADER", "A column has no name, or two columns have the same one.", "Name each column once."),
		entry("RAGGED_ROW", "A row has more or fewer cells than the header.", "Correct the row; often a delimiter or a quotation mark inside a text is not escaped."),
		entry("QUOTE", "A quoted cell is not closed, or text follows it.", "Double the quotation marks inside quoted cells."),
		entry("TOO_LONG", "A cell, an element or a record is over the limit.", "Shorten it. The item is not sent as it is."),
		entry("NESTED_VALUE", "A nested value cannot be read.", "Write it as JSON, or as the columns that the format documents."),
		entry("MALFORMED_XML", "The XML has a bare ampersand or a control character.", "Nothing: it is read as it was meant. Escape it where you can, as the platforms' own readers refuse it."),
		entry("PARSE_LINE", "A line is not a JSON object.", "Correct the line."),
		entry("GROUP", "A row's product or parent is not where its format says, or is damaged, or a group has too many items.", "Correct the product's row, and export products before their variants. For webhooks, set group to what the variants of one product share."),
		entry("STORE_VIEW", "A row of a store view is apart from its product's row.", "Export the rows of one product one after the other."),
		entry("ROUNDED_NUMBER", "A spreadsheet has turned an id or a code into a rounded number.", "Format the column as text, and export again."),
		entry("EMPTY_ITEM", "A row or an element has no value in any named column.", "Nothing: it is skipped. Remove it."),
		// Of mappings.
		entry("ITEM_ID", "The item has no id, or one that cannot be told from others.", "Give each item an id that is a text and never changes."),
		byOperator("VALUE", "A word has no translation in the mapping.", "Add the word to `values` in the mapping, which are added to the preset's words, or correct it in the shop's data."),
		entry("PRICE", "A price cannot be read, or can be read in two ways.", "Write prices as 19.99 EUR."),
		byOperator("CURRENCY", "A price has no currency.", "Write the currency behind the price, or set it in the mapping."),
		entry("WINDOW", "A sale window cannot be read, or has no time zone.", "Write begin and end as ISO 8601 with a time zone."),
		entry("NUMBER", "A number or a truth value cannot be read.", "Correct the value."),
		entry("SEVERAL", "There are more values than the attribute takes.", "Nothing, if the first ones are the right ones. Otherwise choose in the mapping."),
		entry("CUT", "A text was longer than the destination takes and was cut, as the mapping says.", "Nothing, or write a shorter text."),
		entry("MISSING", "An attribute that the destination requires has no value.", "Fill it in the shop's data, or map another column to it."),
		entry("SHIPPING", "A shipping entry cannot be read.", "Write it as country:region:service:price."),
		byOperator("FILTER", "The filter of the route cannot decide on the item.", "Correct the filter, or the value that it looks at."),
		byOperator("CONDITION", "The condition of a rule cannot decide on the item.", "Correct the condition, or the value that it looks at."),
		byOperator("VIEW", "A value is not of the store view, market or language that is sent.", "Set view, market or language of the route to what the shop sends."),
		byOperator("JQ", "The jq program failed on the item, or ran into its limits.", "Correct the program; enqueue feed check runs it on samples."),
		// Of runs and deliveries.
		byOperator("FETCH", "The file was fetched, and something about it is worth a note.", "Read the note; nothing is lost."),
		entry("CHANGED_AT", "The time of change of an item cannot be read, or is in the future.", "Write it as ISO 8601; another time counts in its place."),
		entry("DUPLICATE_ID", "Two items have the same id; the last one counts.", "Give each item an id of its own."),
		entry("NOT_CLEARED", "The source no longer has the attribute, and the platform keeps it.", "Give it a value, or delete the item and add it again."),
		entry("ATTRIBUTES", "The attributes of the item cannot be compared or stored.", "Read the note; usually a text is not UTF-8 or the item is too large."),
		byOperator("NOT_PUBLISHED", "NATS or the rules of messages did not take the item's change.", "Read the note. The next run tries again."),
		entry("TIMESTAMP", "The delivery has no time that can be trusted, so that older and newer ones cannot be told apart.", "Send the time of the event as the shop system documents it."),
	}
}
