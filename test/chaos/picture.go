package main

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"time"
)

// The picture's measures, in pixels.
const (
	pictureWidth  = 1200
	left, right   = 60, 20
	curveTop      = 40
	curveHeight   = 240
	trackTop      = curveTop + curveHeight + 40
	trackHeight   = 26
	trackRow      = trackHeight + 8
	pictureHeight = trackTop + int(trackCount)*trackRow + 20
)

var trackColours = [trackCount]string{"#b3382c", "#b8860b", "#5b4b8a"}

// picture is an SVG of what was published and what became final in each second,
// with the faults below.
func (r *run) picture(h *history) []byte {
	publishedTimes, finalTimes := make([]time.Time, 0, len(h.acks)), make([]time.Time, 0, len(h.rows))
	end := r.began.Add(r.duration)
	for _, ack := range h.acks {
		publishedTimes = append(publishedTimes, ack.at)
	}
	for _, row := range h.rows {
		if !row.FinishedAt.IsZero() {
			finalTimes = append(finalTimes, row.FinishedAt)
			if row.FinishedAt.After(end) {
				end = row.FinishedAt
			}
		}
	}
	seconds := int(end.Sub(r.began).Seconds()) + 1
	in, out := perSecond(r.began, seconds, publishedTimes), perSecond(r.began, seconds, finalTimes)
	most := 1
	for i := range seconds {
		most = max(most, in[i], out[i])
	}
	var svg bytes.Buffer
	say := func(format string, arguments ...any) { _, _ = fmt.Fprintf(&svg, format+"\n", arguments...) }
	say(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, pictureWidth, pictureHeight)
	say(`<rect width="100%%" height="100%%" fill="white"/>`)
	say(`<text x="%d" y="20">mutations a second: <tspan fill="#8a8a8a">published</tspan>, <tspan fill="#1f6f4a">final</tspan>; below, the faults</text>`, left)
	r.axes(say, seconds, most)
	say(`<polyline fill="none" stroke="#8a8a8a" points="%s"/>`, curve(in, most))
	say(`<polyline fill="none" stroke="#1f6f4a" stroke-width="1.5" points="%s"/>`, curve(out, most))
	r.drawFaults(say, seconds)
	say(`</svg>`)
	return svg.Bytes()
}

func perSecond(began time.Time, seconds int, times []time.Time) []int {
	counts := make([]int, seconds)
	for _, at := range times {
		if second := int(at.Sub(began).Seconds()); second >= 0 && second < seconds {
			counts[second]++
		}
	}
	return counts
}

func across(second float64, seconds int) float64 {
	return left + second/float64(seconds)*(pictureWidth-left-right)
}

func curve(counts []int, most int) string {
	points := make([]string, len(counts))
	for second, count := range counts {
		points[second] = fmt.Sprintf("%.1f,%.1f", across(float64(second)+0.5, len(counts)),
			curveTop+curveHeight*(1-float64(count)/float64(most)))
	}
	return strings.Join(points, " ")
}

func (r *run) axes(say func(string, ...any), seconds, most int) {
	const gridLines, ticks = 4, 12
	for i := range gridLines + 1 {
		y := curveTop + curveHeight*i/gridLines
		say(`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#e4e4e4"/>`, left, pictureWidth-right, y, y)
		say(`<text x="%d" y="%d" text-anchor="end" fill="#555">%d</text>`, left-6, y+4, most*(gridLines-i)/gridLines)
	}
	step := max(seconds/ticks/5*5, 5)
	for second := 0; second < seconds; second += step {
		say(`<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%d s</text>`, across(float64(second), seconds), curveTop+curveHeight+18, second)
	}
}

// drawFaults gives every track a row, and every fault a bar with its number in the list and
// its name to point at.
func (r *run) drawFaults(say func(string, ...any), seconds int) {
	for t := range trackCount {
		y := trackTop + int(t)*trackRow
		say(`<rect x="%d" y="%d" width="%d" height="%d" fill="#f6f6f6"/>`, left, y, pictureWidth-left-right, trackHeight)
		say(`<text x="%d" y="%d" fill="#555" font-size="10">%s</text>`, left, y-1, t)
	}
	for i, s := range r.inOrder() {
		from, to := across(s.began.Sub(r.began).Seconds(), seconds), across(s.ended.Sub(r.began).Seconds(), seconds)
		y := trackTop + int(s.track)*trackRow
		say(`<g><title>%s %s</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.75"/>`,
			html.EscapeString(s.kind), html.EscapeString(s.detail), from, y, max(to-from, 2), trackHeight, trackColours[s.track])
		say(`<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-opacity="0.25"/>`, from, from, curveTop, y, trackColours[s.track])
		say(`<text x="%.1f" y="%d" font-size="10">%d</text></g>`, from+1, y+trackHeight-8, i+1)
	}
}
