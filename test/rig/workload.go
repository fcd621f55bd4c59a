package rig

import (
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

// Workload makes up changes as shops do.
type Workload = workload.Generator

// NewWorkload makes a workload; set its fields before Next.
func NewWorkload(seed uint64) *Workload { return workload.New(seed) }

// Whole is everything that the platform requires of an item of the type.
func Whole(itemType catalog.Type, mark string) map[string]any { return workload.Whole(itemType, mark) }

// Part is what an UPDATE changes of an item.
func Part(itemType catalog.Type, mark string, choice int) map[string]any {
	return workload.Part(itemType, mark, choice)
}

// Cleared is what an UPDATE clears of an item.
func Cleared(itemType catalog.Type) map[string]any { return workload.Cleared(itemType) }
