//! Stores that a host does not open: taken, newer, of another program.

use playhouse_store::StoreSettings;

use crate::filled::{database, filled, folder, open, read, refusal, sql};

#[tokio::test]
async fn second_host_is_refused() {
    let (_home, settings) = folder();
    let (first, _) = open(&settings).await;
    let process = std::process::id();
    assert_eq!(
        refusal(&settings).await,
        format!("the store is in use by process {process}: stop that host first, or use another store")
    );
    drop(first);
    assert!(read(&settings).await.is_ok());
}

#[tokio::test]
async fn newer_format_is_refused() {
    let (_home, settings) = folder();
    filled(&settings).await;
    sql(&settings, "pragma user_version = 9");
    assert_eq!(
        refusal(&settings).await,
        "the store has format 9, which is newer than this host: use the version that wrote it"
    );
}

#[tokio::test]
async fn database_of_another_program_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    sql(&settings, "create table theirs(a)");
    assert!(refusal(&settings).await.contains("is a database of another program: use another folder"));
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    std::fs::write(database(&settings), [7; 5000]).unwrap();
    assert!(refusal(&settings).await.starts_with("the store is damaged at the database `store.db`"));
}

#[tokio::test]
async fn path_that_is_no_folder_is_refused() {
    let (home, _) = folder();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = refusal(&StoreSettings::new(&file.join("store"))).await;
    assert!(refused.starts_with("the store failed: the folder of the store cannot be made at `"), "{refused}");
}
