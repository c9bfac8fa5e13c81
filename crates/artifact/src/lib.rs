//! firstseen-artifact
