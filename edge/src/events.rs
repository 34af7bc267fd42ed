//! What the edge tells the control plane: batches, queued on disk, each with a name of its own.
