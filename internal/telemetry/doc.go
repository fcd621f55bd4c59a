// Package telemetry sets up what a running worker tells about itself: logs with
// trace ids, traces, metrics, and the HTTP listener for probes and metrics.
//
// Nothing here is global: Start returns the parts and the caller passes them on.
package telemetry
