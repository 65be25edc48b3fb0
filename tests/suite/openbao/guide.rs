//! The guide, followed on a server without anything.

use super::office::is_here;
use std::path::Path;
use warden_tests::bao::Bao;
use warden_tests::console::check_page_with;
use warden_tests::sandbox::Sandbox;

#[test]
fn the_guide_works_as_written_on_a_fresh_server() {
    if !is_here() {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wiki/guides/openbao.md");
    let bao = Bao::start();
    let page_wide = [
        ("BAO_ADDR", bao.address()),
        ("BAO_TOKEN", bao.root().to_owned()),
    ];
    check_page_with(&page, &Sandbox::new(), &page_wide);
}
