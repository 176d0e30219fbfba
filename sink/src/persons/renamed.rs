//! Ids of persons that are no more, and the ones that they lead to.

use std::collections::{BTreeMap, BTreeSet};

use crate::PersonId;

/// Renamings that are remembered, so that an old id still leads somewhere.
const MOST: usize = 100_000;

/// Renamings; beyond a bound the oldest go.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Renamed {
    to: BTreeMap<PersonId, (u64, PersonId)>,
    by_age: BTreeSet<(u64, PersonId)>,
}

impl Renamed {
    /// Takes a renaming; of two of one id the later one holds, by its revision. False when a later one is known.
    pub(super) fn insert(&mut self, from: PersonId, revision: u64, to: PersonId) -> bool {
        // By the id too, so that the order does not matter even where two have one revision.
        let known = self.to.get(&from);
        if known.is_some_and(|known| *known >= (revision, to)) {
            return false;
        }
        self.remove(from);
        self.to.insert(from, (revision, to));
        self.by_age.insert((revision, from));
        if self.to.len() > MOST
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.to.remove(&oldest);
        }
        true
    }

    /// This id holds again.
    pub(super) fn remove(&mut self, from: PersonId) {
        if let Some((revision, _)) = self.to.remove(&from) {
            self.by_age.remove(&(revision, from));
        }
    }

    /// Lets go of what leads from or to these.
    pub(super) fn forget(&mut self, gone: &BTreeSet<PersonId>) {
        let is_gone = |from: &PersonId, to: &PersonId| gone.contains(from) || gone.contains(to);
        self.to.retain(|from, (_, to)| !is_gone(from, to));
        let to = &self.to;
        self.by_age.retain(|(_, from)| to.contains_key(from));
    }

    /// From and to, the oldest first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = (PersonId, PersonId)> + '_ {
        let from = self.by_age.iter().map(|(_, from)| *from);
        from.filter_map(|from| Some((from, self.to.get(&from)?.1)))
    }

    /// The id that holds, for one that may have been renamed.
    pub(super) fn current(&self, id: PersonId, is_held: impl Fn(PersonId) -> bool) -> PersonId {
        let mut person = id;
        // A chain is as long as there were renamings; a circle cannot be, and would end here too.
        for _ in 0..self.to.len() {
            match self.to.get(&person) {
                Some((_, to)) if !is_held(person) => person = *to,
                _ => break,
            }
        }
        person
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> PersonId {
        PersonId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn chains_lead_to_whoever_holds_and_the_oldest_go_first() {
        let mut renamed = Renamed::default();
        // The ids fall as the revisions rise: by id the newest would go first.
        let most = MOST as u128;
        for n in 0..most {
            assert!(renamed.insert(id(2 * most - n), n as u64 + 5, id(1)));
        }
        assert!(renamed.insert(id(1), most as u64 + 9, id(2)));
        assert!(!renamed.insert(id(1), 3, id(7)), "it is older");
        assert_eq!(renamed.by_age().count(), MOST);
        let nobody = |_| false;
        assert_eq!(renamed.current(id(2 * most), nobody), id(2 * most), "gone");
        assert_eq!(renamed.current(id(2 * most - 1), nobody), id(2));
        assert_eq!(renamed.current(id(2 * most - 1), |it| it == id(1)), id(1));
        renamed.remove(id(1));
        assert_eq!(renamed.current(id(2 * most - 1), nobody), id(1));
        renamed.forget(&BTreeSet::from([id(1)]));
        assert_eq!(renamed, Renamed::default());
    }
}
