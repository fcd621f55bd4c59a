package main

import "math"

// line is the straight line through points by least squares.
type line struct {
	mean  float64 // of the values
	slope float64 // of the values, by each unit of x
	doubt float64 // standard error of the slope
}

// fit needs three points at least; of fewer the slope is 0 in infinite doubt.
func fit(x, y []float64) line {
	n := float64(len(x))
	var meanX, meanY float64
	for i := range x {
		meanX += x[i] / n
		meanY += y[i] / n
	}
	if len(x) < 3 {
		return line{mean: meanY, doubt: math.Inf(1)}
	}
	var across, along float64
	for i := range x {
		across += (x[i] - meanX) * (y[i] - meanY)
		along += (x[i] - meanX) * (x[i] - meanX)
	}
	l := line{mean: meanY, slope: across / along}
	var left float64
	for i := range x {
		off := y[i] - meanY - l.slope*(x[i]-meanX)
		left += off * off
	}
	l.doubt = math.Sqrt(left / (n - 2) / along)
	return l
}

// grows reports that the values rise by more than bound for each unit of x, beyond
// what the scatter of the points leaves in doubt.
func (l line) grows(bound float64) bool { return l.slope-2*l.doubt > bound }
