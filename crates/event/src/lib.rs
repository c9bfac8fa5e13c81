//! firstseen-event
