pub mod clock;
pub mod directory;
pub mod number;
pub mod routing;
pub mod stats;
pub mod store;
