/// The login page.
enum LoginPage {
    static func html(accounts: Accounts, proof: String, problem: Problem?) -> HTML {
        Layout.bare("Log in") {
            tag(.section, .class("login")) {
                tag(.h1) { "Log in" }
                if let problem {
                    tag(.p, .class("alert"), Attribute("role", "alert")) {
                        Mark(.bad, "").html
                        Words.sentence(problem.message)
                        if let advice = problem.advice {
                            " "
                            Words.sentence(advice)
                        }
                    }
                }
                if accounts.isEmpty {
                    tag(.p) {
                        "No user can log in yet: the file of users is empty. Add a user with "
                        tag(.code) { "goldsmith console user" }
                        ", then start the console again."
                    }
                }
                if accounts.hasPasswords {
                    Form.post(to: .login, token: proof, .id("password-login")) {
                        field("Name", "name", "text", "username")
                        field("Password", "password", "password", "current-password")
                        tag(.button, .type("submit")) { "Log in" }
                    }
                }
                if accounts.hasPasswords, accounts.hasTokens { tag(.p, .class("or")) { "or" } }
                if accounts.hasTokens {
                    Form.post(to: .login, token: proof, .id("token-login")) {
                        field("Token", "token", "password", "off")
                        tag(.button, .type("submit")) { "Log in with a token" }
                    }
                }
            }
        }
    }

    private static func field(_ label: String, _ name: String, _ kind: String, _ purpose: String) -> HTML {
        Form.field(
            label,
            name,
            .type(kind),
            Attribute("autocomplete", purpose),
            Attribute("required"),
            Attribute("maxlength", 1024)
        )
    }
}
