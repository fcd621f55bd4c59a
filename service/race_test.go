//go:build race

package service_test

// raceDetector makes everything several times slower; what takes its time is
// shortened then.
const raceDetector = true
