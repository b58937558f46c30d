//! Content that somebody is working with, so that garbage collection leaves it alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use crate::digest::Digest;

#[derive(Debug, Clone, Default)]
pub(super) struct Pins {
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// Keeps content until dropped.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Pins,
    hexes: Vec<String>,
}

impl Pins {
    pub(super) fn pin<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> Pin {
        let hexes: Vec<String> = digests.into_iter().map(|digest| digest.hex().to_owned()).collect();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for hex in &hexes {
            *counts.entry(hex.clone()).or_default() += 1;
        }
        Pin { pins: self.clone(), hexes }
    }

    pub(super) fn all(&self) -> BTreeSet<String> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut counts = self.pins.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for hex in &self.hexes {
            if let Some(count) = counts.get_mut(hex) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(hex);
                }
            }
        }
    }
}
