//! Pictures of a batch, written on a thread beside the one that writes its points.
//!
//! Points name their pictures, so of each group of sightings the pictures come first; while the points of one group are made
//! and written, the pictures of the next ones are.

use std::sync::mpsc::sync_channel;

use super::crops::Crops;
use crate::event::Sighting;
use crate::{Error, Result};

/// Sightings of a group.
const GROUP: usize = 100;

/// Groups whose pictures may be there before their points are.
const AHEAD: usize = 2;

/// Names of a group's pictures, none where a sighting has none, and how many were new.
type Put = (Vec<Option<String>>, u64);

/// Stores the pictures of sightings; `take` gets the sightings group by group, in order, each with its pictures' names once
/// they are there. Says how many pictures were new.
pub(super) fn put_first<'s>(
    crops: &Crops,
    sightings: &[&'s Sighting],
    mut take: impl FnMut(&[&'s Sighting], Vec<Option<String>>) -> Result<()>,
) -> Result<u64> {
    if sightings.len() <= GROUP {
        let (names, new) = put(crops, sightings)?;
        take(sightings, names)?;
        return Ok(new);
    }
    std::thread::scope(|scope| {
        let (hand_on, ready) = sync_channel::<Result<Put>>(AHEAD);
        std::thread::Builder::new()
            .name("sink-pictures".to_owned())
            .spawn_scoped(scope, move || {
                for group in sightings.chunks(GROUP) {
                    let done = put(crops, group);
                    let is_over = done.is_err();
                    // Nobody listens any more once points could not be written.
                    if hand_on.send(done).is_err() || is_over {
                        break;
                    }
                }
            })
            .map_err(Error::io("start the thread that writes pictures"))?;
        let mut new = 0;
        for group in sightings.chunks(GROUP) {
            let done = ready.recv().map_err(|_| Error::Closed {
                what: "the thread that writes pictures has ended".to_owned(),
            })?;
            let (names, fresh) = done?;
            new += fresh;
            take(group, names)?;
        }
        Ok(new)
    })
}

fn put(crops: &Crops, sightings: &[&Sighting]) -> Result<Put> {
    let mut names = Vec::with_capacity(sightings.len());
    let mut new = 0;
    for sighting in sightings {
        let Some(jpeg) = &sighting.crop else {
            names.push(None);
            continue;
        };
        let name = Crops::name(jpeg);
        new += u64::from(crops.put(&name, jpeg, sighting.capture_ns)?);
        names.push(Some(name));
    }
    Ok((names, new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::{jpeg, sighting};
    use crate::store::options::CropLimits;

    fn sightings(count: u32) -> Vec<Sighting> {
        let one = |number: u32| {
            let mut sighting = sighting("gate", 1_700_000_000_000_000_000, number, 0);
            // Every tenth has none, and some have the same.
            sighting.crop = (!number.is_multiple_of(10)).then(|| jpeg(u64::from(number / 2), 300));
            sighting
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn points_are_written_when_their_pictures_are_there_and_in_order() {
        for count in [0, 1, 100, 101, 350] {
            let dir = tempfile::tempdir().unwrap();
            let crops = Crops::open(dir.path(), CropLimits::default()).unwrap();
            let all = sightings(count);
            let all: Vec<&Sighting> = all.iter().collect();
            let mut taken = Vec::new();
            let new = put_first(&crops, &all, |group, names| {
                assert_eq!(group.len(), names.len());
                for (sighting, name) in group.iter().zip(&names) {
                    let path = name.as_ref().map(|name| crops.find(name).unwrap());
                    let bytes = path.map(|path| fs_err::read(path).unwrap());
                    assert_eq!(bytes.as_deref(), sighting.crop.as_deref());
                }
                taken.extend(group.iter().map(|sighting| sighting.id));
                Ok(())
            });
            assert_eq!(new.unwrap(), crops.status().crops);
            let ids: Vec<_> = all.iter().map(|sighting| sighting.id).collect();
            assert_eq!(taken, ids);
        }
    }

    #[test]
    fn a_point_that_cannot_be_written_ends_it_and_so_does_a_picture() {
        let dir = tempfile::tempdir().unwrap();
        let crops = Crops::open(dir.path(), CropLimits::default()).unwrap();
        let all = sightings(1000);
        let all: Vec<&Sighting> = all.iter().collect();
        let refused = || Error::Closed {
            what: "refused".to_owned(),
        };
        let mut groups = 0;
        let ended = put_first(&crops, &all, |_, _| {
            groups += 1;
            Err(refused())
        });
        assert!(matches!(ended, Err(Error::Closed { .. })));
        assert_eq!(groups, 1);

        fs_err::remove_dir_all(dir.path()).unwrap();
        fs_err::write(dir.path(), b"no folder").unwrap();
        let all = &all[..300];
        let fresh: Vec<Sighting> = all.iter().map(|it| (*it).clone()).collect();
        let ended = put_first(&crops, &fresh.iter().collect::<Vec<_>>(), |_, _| {
            panic!("no picture, no point")
        });
        assert!(matches!(ended, Err(Error::Io { .. })), "{ended:?}");
    }
}
