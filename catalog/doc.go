// Package catalog is the domain: what a mutation is, which item it changes, and
// how two mutations of one item become one. It does no input or output and
// imports nothing else of this project.
//
// What a producer meets of it is promised, as is the API of package publish: [Type],
// [Operation] and its values, [Localization], [Header], [JoinItemID], [SplitItemID],
// [Problem] and [Reason]. From the first tagged version on, these change as semantic
// versions allow. The merge algebra is the worker's and may change with any version, as
// may all other packages of this module.
package catalog
