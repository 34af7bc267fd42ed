//! Where responses come from: an origin in this process, or others over a pool of connections.
