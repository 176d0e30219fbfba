//! A synthetic world: dressed people who walk through places seen by cameras, with everything known about them.
//!
//! It feeds the demo, the tests, the training of models and the evaluation of tracking across cameras. Bodies, clothes and hair are CC0 meshes found
//! through `SIGHTLINE_PEOPLE`; everything else is made here, on the processor, in plain `f32`: the same seed gives the same bytes.
//!
//! # Layout
//! - `assets`, `meshfile`: find and read the people's files
//! - `body`, `rig`, `pose`, `cycle`, `gait`: shapes, skeleton, movement
//! - `palette`, `item`, `material`, `garment`, `solid`, `accessory`, `headwear`, `tailor`, `outerwear`, `wardrobe`, `identity`, `dressing`, `person`: who somebody is and wears
//! - `texture`, `light`, `form`, `place`, `sieve`, `scenery`, `backdrop`: where
//! - `lens`, `shadow`, `raster`, `canvas`, `photo`: pictures
//! - `words`, `captions`: descriptions
//! - `style`, `framing`, `shot`, `colour`, `crops`, `sheet`: pictures of one person each
//! - `spec`, `spec_check`, `way`, `routes`, `walk`, `stage`, `film`, `truth`, `plan_map`, `video`, `check`: scenes with many
//! - `math`, `dice`, `noise`, `error`: what all of them use
//!
//! # Example
//! ```
//! use sightline_world::identity::{Crowd, Difficulty, Identity};
//! let crowd = Crowd { difficulty: Difficulty(0.5), children: 0.1, is_wet: false };
//! let somebody = Identity::draw(1, 7, crowd);
//! assert_eq!(somebody.number, 7);
//! assert!(!somebody.items.is_empty());
//! ```

pub mod accessory;
pub mod assets;
pub mod backdrop;
pub mod body;
pub mod canvas;
pub mod captions;
pub mod check;
pub mod colour;
pub mod crops;
mod cycle;
pub mod dice;
mod dressing;
pub mod error;
pub mod film;
pub mod form;
mod framing;
pub mod gait;
pub mod garment;
mod headwear;
pub mod identity;
pub mod item;
pub mod lens;
pub mod light;
pub mod material;
pub mod math;
pub mod meshfile;
pub mod noise;
mod outerwear;
pub mod palette;
pub mod person;
pub mod photo;
pub mod place;
pub mod plan_map;
pub mod pose;
pub mod raster;
pub mod rig;
pub mod routes;
pub mod scenery;
pub mod shadow;
pub mod sheet;
pub mod shot;
mod sieve;
pub mod solid;
pub mod spec;
mod spec_check;
pub mod stage;
mod style;
mod tailor;
pub mod texture;
pub mod truth;
pub mod video;
pub mod walk;
pub mod wardrobe;
pub mod way;
pub mod words;

pub use error::{Error, Result};
