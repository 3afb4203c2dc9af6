//! The first administrator.

use super::*;

#[tokio::test]
async fn the_first_start_makes_an_administrator_tells_the_password_once_and_keeps_only_its_hash() {
    for database in Database::both("first") {
        let announced = Arc::default();
        let world = database.start(settings(), open_to_others(), &announced).await;
        let password = announced.lock().unwrap()[0].clone();
        assert!(password.len() >= 24, "{password}");
        assert_eq!(world.as_user("admin", &password, "GET", "/view", "").await.text(), "admin Admin");
        assert_eq!(world.as_user("admin", "admin", "GET", "/view", "").await.status, 401);
        drop(world);
        let world = database.start(settings(), open_to_others(), &announced).await;
        assert_eq!(announced.lock().unwrap().len(), 1);
        assert_eq!(world.as_user("admin", &password, "GET", "/view", "").await.status, 200);
        for file in std::fs::read_dir(database.dir.path()).unwrap().flatten() {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()));
        }
        let stored = database.state(&Registry::new()).get("accounts", "directory").await.unwrap().unwrap();
        let stored = String::from_utf8(stored.body).unwrap();
        assert!(stored.contains("$2y$") && !stored.contains(&password), "{stored}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_replicas_that_start_together_one_makes_it() {
    let Some(database) = Database::server("together") else { return };
    let announced = Arc::default();
    let start = || database.start(settings(), open_to_others(), &announced);
    let worlds = tokio::join!(start(), start(), start(), start());
    let passwords = announced.lock().unwrap().clone();
    assert_eq!(passwords.len(), 1);
    for world in [worlds.0, worlds.1, worlds.2, worlds.3] {
        assert_eq!(world.as_user("admin", &passwords[0], "GET", "/view", "").await.status, 200);
    }
}

#[tokio::test]
async fn a_password_from_a_file_is_followed_and_nothing_is_announced() {
    let database = Database::file();
    let path = database.dir.path().join("password");
    std::fs::write(&path, "first one\n").unwrap();
    let announced = Arc::default();
    let told = Settings { admin_password: Some(SecretSource::File(path.clone())), ..settings() };
    let world = database.start(told.clone(), open_to_others(), &announced).await;
    let cookie = world.sign_in("admin", "first one").await.ok().unwrap();
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 200);
    std::fs::write(&path, "second one").unwrap();
    until("the new password is taken over", async || {
        world.as_user("admin", "second one", "GET", "/view", "").await.status == 200 || {
            // Failures that were our own count too.
            database.clock.advance(Duration::from_secs(300));
            false
        }
    })
    .await;
    assert_eq!(world.as_user("admin", "first one", "GET", "/view", "").await.status, 401);
    assert_eq!(world.with_cookie(&cookie, "GET", "/view", "").await.status, 401, "the session has ended");
    // A file that cannot be used later changes nothing; at the start it is a mistake.
    std::fs::write(&path, "").unwrap();
    assert_eq!(world.as_user("admin", "second one", "GET", "/view", "").await.status, 200);
    assert!(announced.lock().unwrap().is_empty());
    let registry = Registry::new();
    let deps = Deps {
        state: database.state(&registry),
        clock: database.clock.clone(),
        registry,
        surroundings: open_to_others(),
        announce: Arc::new(|_, _| panic!("nothing is announced")),
    };
    let error = Accounts::open(told, deps).await.err().unwrap().to_string();
    assert!(error.contains("administrator's password") && error.contains("4 to 71 bytes"), "{error}");
}

#[tokio::test]
async fn a_password_that_is_told_lets_the_administrator_in_whatever_became_of_the_account() {
    let database = Database::file();
    let announced = Arc::default();
    let world = database.start(settings(), open_to_others(), &announced).await;
    let first = announced.lock().unwrap()[0].clone();
    let body = r#"{"login":"other","password":"correct horse","role":"Admin"}"#;
    assert_eq!(world.as_user("admin", &first, "POST", "/api/admin/users", body).await.status, 200);
    let answer = world.as_user("other", PASSWORD, "POST", "/api/admin/users/1/disable", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.as_user("admin", &first, "GET", "/view", "").await.status, 401);
    drop(world);
    let world = database.world(settings()).await;
    assert_eq!(world.as_admin("GET", "/view", "").await.text(), "admin Admin");
}

#[tokio::test]
async fn an_address_of_mail_is_never_taken_for_the_login_of_the_administrator() {
    let database = Database::file();
    let announced = Arc::default();
    let world = database.start(settings(), open_to_others(), &announced).await;
    let first = announced.lock().unwrap()[0].clone();
    let body = r#"{"login":"vera","email":"admin","password":"correct horse","role":"Viewer"}"#;
    assert_eq!(
        world.as_user("admin", &first, "PUT", "/api/users/1", r#"{"login":"root"}"#).await.status,
        200
    );
    let refused = world.as_user("root", &first, "POST", "/api/admin/users", body).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    drop(world);
    // A password that is told belongs to an account of that very login, which is made.
    let world = database.world(settings()).await;
    assert_eq!(world.as_admin("GET", "/view", "").await.text(), "admin Admin");
    assert_eq!(world.as_user("root", &first, "GET", "/view", "").await.text(), "root Admin");
}

#[tokio::test]
async fn where_there_are_people_but_no_administrator_one_is_made_and_the_others_can_be_changed() {
    let database = Database::file();
    let people =
        accounts::Administration::new(database.state(&Registry::new()), database.clock.clone()).unwrap();
    let profile = accounts::directory::Profile { login: "vera".into(), ..Default::default() };
    people.add(&profile, model::Role::Viewer, Some(PASSWORD.into())).await.unwrap();
    people.set_role("vera", model::Role::Editor).await.unwrap();
    let announced = Arc::default();
    let world = database.start(settings(), open_to_others(), &announced).await;
    let password = announced.lock().unwrap()[0].clone();
    assert_eq!(world.as_user("admin", &password, "GET", "/view", "").await.text(), "admin Admin");
    assert!(people.set_role("admin", model::Role::Viewer).await.is_err(), "now it is the last one");
}
