//! Tokens, good and bad, from outside: what is signed is read back, and what was tampered with is refused by name.

#[path = "tokens/bad.rs"]
mod bad;
#[path = "tokens/foreign.rs"]
mod foreign;
#[path = "tokens/forge.rs"]
mod forge;
#[path = "tokens/keys.rs"]
mod keys;
#[path = "tokens/properties.rs"]
mod properties;
