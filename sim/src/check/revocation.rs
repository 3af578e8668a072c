//! Revocation: a region that was taken back is let in no more; once it is given back, nothing is placed
//! in it or read from it. And an operation is only refused if what it named was taken back, or lost.

use std::collections::BTreeMap;

use usrd_proto::Refusal;

use crate::traffic::MessageId;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    /// By registration: the host, and how it stands.
    regions: Vec<(u32, State)>,
    /// What operations under way name.
    named: BTreeMap<MessageId, u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    /// What was accepted before is still being placed.
    Revoked,
    /// Given back, or lost with its host.
    Gone,
}

impl Revocation {
    pub(super) fn registered(&mut self, registration: u32, host: u32) {
        debug_assert_eq!(registration as usize, self.regions.len());
        self.regions.push((host, State::Live));
    }

    pub(super) fn revoked(&mut self, registration: u32) {
        self.set(registration, State::Revoked);
    }

    /// A region is its host's again.
    pub(super) fn released(&mut self, registration: u32) -> Result<(), String> {
        match self.state(registration) {
            Some(State::Revoked) => {
                self.set(registration, State::Gone);
                Ok(())
            }
            state => Err(format!("region {registration} was given back when it was {state:?}")),
        }
    }

    /// A host has lost its memory.
    pub(super) fn lost(&mut self, host: u32) {
        for (_, state) in self.regions.iter_mut().filter(|(owner, _)| *owner == host) {
            *state = State::Gone;
        }
    }

    /// A host's endpoint has let something into a region.
    pub(super) fn accepted(&self, host: u32, registration: u32) -> Result<(), String> {
        match self.regions.get(registration as usize) {
            Some(&(owner, State::Live)) if owner == host => Ok(()),
            region => {
                Err(format!("host {host} lets a peer into region {registration}: {region:?}"))
            }
        }
    }

    /// Something is placed in a region, or read from it.
    #[inline]
    pub(super) fn touched(&self, registration: u32) -> Result<(), String> {
        match self.state(registration) {
            Some(State::Live | State::Revoked) => Ok(()),
            _ => Err(format!("region {registration} was touched after it had been given back")),
        }
    }

    /// An operation is handed over that names this region.
    pub(super) fn operates(&mut self, message: MessageId, registration: u32) {
        self.named.insert(message, registration);
    }

    /// An operation is over.
    pub(super) fn over(&mut self, message: MessageId) {
        self.named.remove(&message);
    }

    /// An operation was refused. Says whether that is right.
    pub(super) fn refused(&self, message: MessageId, refusal: Refusal) -> Result<(), String> {
        let named = self.named.get(&message).copied();
        let is_live = named.and_then(|it| self.state(it)) == Some(State::Live);
        match refusal {
            Refusal::Key | Refusal::Revoked if !is_live => Ok(()),
            _ => {
                Err(format!("message {message} was refused: {refusal}; it named region {named:?}"))
            }
        }
    }

    /// For the end of a run that is done: what was taken back has been given back.
    pub(super) fn check_all(&self) -> Result<(), String> {
        let waiting = self.regions.iter().position(|(_, state)| *state == State::Revoked);
        waiting.map_or(Ok(()), |region| Err(format!("region {region} was never given back")))
    }

    #[inline]
    fn state(&self, registration: u32) -> Option<State> {
        self.regions.get(registration as usize).map(|(_, state)| *state)
    }

    fn set(&mut self, registration: u32, state: State) {
        if let Some(region) = self.regions.get_mut(registration as usize) {
            region.1 = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_let_in_while_it_lives_and_touched_until_it_is_given_back() {
        let mut regions = Revocation::default();
        regions.registered(0, 7);
        regions.accepted(7, 0).unwrap();
        assert!(regions.accepted(8, 0).is_err() && regions.released(0).is_err());
        regions.revoked(0);
        assert!(regions.accepted(7, 0).is_err() && regions.check_all().is_err());
        regions.touched(0).unwrap();
        regions.released(0).unwrap();
        assert!(regions.touched(0).is_err() && regions.touched(1).is_err());
        regions.check_all().unwrap();
        regions.registered(1, 7);
        regions.lost(7);
        assert!(regions.touched(1).is_err());
    }

    #[test]
    fn only_what_is_gone_may_be_refused() {
        let mut regions = Revocation::default();
        regions.registered(0, 7);
        regions.operates(5, 0);
        assert!(regions.refused(5, Refusal::Key).is_err());
        regions.revoked(0);
        regions.refused(5, Refusal::Key).unwrap();
        regions.refused(5, Refusal::Revoked).unwrap();
        assert!(regions.refused(5, Refusal::Bounds).is_err());
    }
}
