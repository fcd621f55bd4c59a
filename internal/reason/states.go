package reason

// accountEntries explain the states of account_status in which changes wait.
func accountEntries() []Entry {
	entry := func(code string, who Who, meaning, action string) Entry {
		return Entry{Kind: Account, Code: code, Meaning: meaning, Action: action, Who: who}
	}
	return []Entry{
		entry("throttled", Nobody,
			"A quota of the platform is used up, or the pace keeps within it: changes wait until it is free again.",
			"Nothing, as they are sent automatically. If changes wait too long, ask the platform for a higher quota or send fewer changes."),
		entry("failing", Operator,
			"The platform, or the way to it, does not answer as it should: changes are tried again and again.",
			"Read the reason. An outage of the platform passes; a network or a proxy of your own does not. Nothing is lost meanwhile."),
		entry("held", Operator,
			"The platform rejects what is sent for a catalog, and it is not known that single changes are to blame.",
			"Fix what the reason names: mostly a permission, terms or a setting of the account, or a catalog of another type. A trial batch goes from time to time."),
		entry("not configured", Operator,
			"Changes arrive for an account that no running worker has in its configuration.",
			"Add the account to the configuration and reload the workers, or correct the name at the producer. After the time of grace the changes become dead letters."),
		entry("paused", Operator,
			"Nothing is sent for the account: the platform rejects its credentials or its permissions, or an operator paused it.",
			"Read the reason. Replace the token or give the permission: the account is tried again automatically, or at once with accounts resume. A pause by hand ends with accounts resume only."),
	}
}

// batchEntries explain the states of batch_status that are not the ordinary way.
func batchEntries() []Entry {
	entry := func(code, meaning, action string) Entry {
		return Entry{Kind: Batch, Code: code, Meaning: meaning, Action: action, Who: Nobody}
	}
	return []Entry{
		entry("waiting", "The batch is made and held back: its account is paused, or a quota is used up.", "Look at the state of the account."),
		entry("ambiguous", "The request was sent and no answer came: the platform may have taken it.", "Nothing, as it is sent again, and newer changes of its items wait."),
		entry("retrying", "The request failed for a reason that passes.", "Nothing, as it is sent again. If it lasts, the last error says what the platform or the network says."),
		entry("refused", "The platform rejected the batch as a whole.", "Nothing, as its records are sent again in smaller batches until the bad ones are found. Those are dead letters."),
		entry("abandoned", "The platform never said what became of some of the records.", "Nothing, as they are sent again. Those whose attempts are used up are dead letters with the reason unconfirmed."),
	}
}
