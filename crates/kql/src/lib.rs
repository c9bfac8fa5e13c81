//! firstseen-kql
