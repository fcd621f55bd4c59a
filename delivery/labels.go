package delivery

import (
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/platform"
)

func resultLabel(perr *platform.Error) label.Post {
	switch {
	case perr == nil:
		return label.Accepted
	case perr.Ambiguous:
		return label.Ambiguous
	default:
		return label.NotTaken
	}
}

func causeLabel(perr *platform.Error) label.Cause {
	if perr == nil {
		return label.None
	}
	switch perr.Scope {
	case platform.ScopeItem:
		return label.Item
	case platform.ScopeBatch:
		return label.Batch
	case platform.ScopeAccount:
		return label.Account
	case platform.ScopeQuota:
		return label.Quota
	case platform.ScopeCaller:
		return label.Caller
	case platform.ScopePlatform:
	}
	return label.Platform
}

func pollLabel(report platform.Report, perr *platform.Error) label.Poll {
	switch {
	case perr != nil:
		return label.Error
	case report.Progress == platform.Finished:
		return label.Finished
	case report.Progress == platform.NotFound:
		return label.NotFound
	default:
		return label.Pending
	}
}
