//! What names an object in the cache: environment, path and the queries that matter.
