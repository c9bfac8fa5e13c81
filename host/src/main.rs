//! firstseen
fn main() {}
