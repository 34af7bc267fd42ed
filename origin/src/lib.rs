//! The origin role.
