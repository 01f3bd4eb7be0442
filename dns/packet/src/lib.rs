//! The packet path of the DNS server: what is asked often is answered here, over UDP; see README.md.

#![cfg_attr(not(feature = "python"), allow(dead_code))]

mod answer;
mod batch;
#[cfg(feature = "python")]
mod change;
mod client;
mod cookies;
mod counts;
#[cfg(test)]
mod fuzzed;
mod lookup;
mod message;
mod name;
mod names;
mod places;
mod query;
mod rates;
mod respond;
#[cfg(feature = "python")]
mod responder;
#[cfg(test)]
mod served;
mod siphash;
mod steer;
mod table;
mod worker;

#[cfg(feature = "python")]
#[pyo3::pymodule]
mod gslb_packet {
    #[pymodule_export]
    use crate::responder::{Responder, Waiting};
}
