//! The packet path of the DNS server: what is asked often is answered here, over UDP; see README.md.

mod answer;
mod batch;
mod change;
mod client;
mod cookies;
mod counts;
mod lookup;
mod message;
mod name;
mod names;
mod places;
mod query;
mod respond;
mod responder;
mod siphash;
mod steer;
mod table;
mod worker;

#[pyo3::pymodule]
mod gslb_packet {
    #[pymodule_export]
    use crate::responder::{Responder, Waiting};
}
