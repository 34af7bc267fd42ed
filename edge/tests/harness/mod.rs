//! What tests of the edge share.

pub(crate) mod origin;
