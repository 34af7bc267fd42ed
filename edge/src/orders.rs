//! What the control plane tells the edge: keys, revocations, purges, limits; numbered, replayable.
