//! Doors: too many come, and some never finish asking.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;

use super::Struck;
use crate::crowd;
use crate::stand::Stand;

impl Stand {
    /// More than the node takes.
    pub(super) async fn flood(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let (n, size) = (self.one(dice), dice.random_range(600..900));
        let crowd = crowd::flood(self.member(n).node.client.base(), size, hold).await;
        match crowd.entered * 2 > size {
            true => Ok(format!("{} {crowd:?}", self.names(&[n]))),
            false => Err(format!("of {size}, {} got in", crowd.entered)),
        }
    }

    pub(super) async fn drip(&self, dice: &mut SmallRng, hold: Duration) -> Struck {
        let (n, size) = (self.one(dice), dice.random_range(100..250));
        let ca = self.stage.ca.clone();
        let crowd = crowd::drip(self.member(n).node.client.base(), &ca, size, hold * 2).await;
        match crowd.entered * 2 > size {
            true => Ok(format!("{} {crowd:?}", self.names(&[n]))),
            false => Err(format!("of {size}, {} got in", crowd.entered)),
        }
    }
}
