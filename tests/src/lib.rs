//! firstseen-tests
