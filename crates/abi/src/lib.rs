//! firstseen-abi
