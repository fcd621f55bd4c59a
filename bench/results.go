package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// results are the rates of all runs, in the order in which they first came.
type results struct {
	order []string
	rates map[string][]float64
	wants map[string]float64
}

func (r *results) add(m measurement) {
	if r.rates == nil {
		r.rates, r.wants = map[string][]float64{}, map[string]float64{}
	}
	if _, ok := r.rates[m.what]; !ok {
		r.order = append(r.order, m.what)
	}
	r.rates[m.what] = append(r.rates[m.what], m.rate)
	r.wants[m.what] = m.target
}

// median is the middle rate, 0 when nothing was measured.
func (r *results) median(what string) float64 {
	rates := slices.Sorted(slices.Values(r.rates[what]))
	if len(rates) == 0 {
		return 0
	}
	return rates[len(rates)/2]
}

func (r *results) print() {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"mutations/s", "min", "median", "max", "of bare consume", "of bare COPY", "target"})
	for _, what := range r.order {
		rates := slices.Sorted(slices.Values(r.rates[what]))
		target := ""
		if r.wants[what] > 0 {
			target = fmt.Sprintf("%.0f", r.wants[what])
		}
		t.AppendRow(table.Row{
			what, fmt.Sprintf("%.0f", rates[0]), fmt.Sprintf("%.0f", r.median(what)), fmt.Sprintf("%.0f", rates[len(rates)-1]),
			r.ratio(what, bareConsumeName), r.ratio(what, bareCopyName), target,
		})
	}
	t.Render()
}

func (r *results) ratio(what, of string) string {
	whole := r.median(of)
	if whole == 0 || what == of {
		return ""
	}
	return fmt.Sprintf("%.2f", r.median(what)/whole)
}
