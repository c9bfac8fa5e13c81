//! firstseen-plugin
