//! firstseen-envelope
