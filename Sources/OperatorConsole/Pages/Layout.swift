import HTTPTypes
import ImageCore

/// What all pages have around them.
enum Layout {
    private static let areas: [(Route, String)] = [
        (.overview, "Overview"),
        (.images(ImageQuery()), "Images"),
        (.instances, "Instances"),
        (.deadLetters(DeadLetterFilter()), "Dead and parked"),
        (.quotas, "Quotas"),
    ]

    /// - Parameter page: its live parts follow what happens, when it has any.
    static func page(
        _ title: String,
        at page: Route,
        for session: Session,
        @HTMLBuilder content: () -> HTML
    ) -> HTML {
        document(
            title,
            live: Route(page: page.address) == nil ? nil : page,
            header: .joined([
                tag(.nav, .label("Areas")) {
                    tag(.ul) {
                        for (route, name) in areas {
                            tag(.li) {
                                route.area == page.area
                                    ? tag(.a, .href(route), Attribute("aria-current", "page")) { name }
                                    : tag(.a, .href(route)) { name }
                            }
                        }
                    }
                },
                Form.post(to: .logout, token: session.formToken, .class("who")) {
                    tag(.span) {
                        session.account
                        tag(.small) { session.role.rawValue }
                    }
                    tag(.button, .type("submit"), .class("quiet")) { "Log out" }
                },
            ]),
            content: content()
        )
    }

    /// A page for people who have not logged in, or have lost their way.
    static func bare(_ title: String, @HTMLBuilder content: () -> HTML) -> HTML {
        document(title, live: nil, header: .nothing, content: content())
    }

    static func problem(_ problem: Problem, for session: Session?) -> HTML {
        let title = "\(problem.status.code) \(problem.status.reasonPhrase)"
        let content = tag(.section, .class("problem")) {
            tag(.h1) { title }
            tag(.p) { Words.sentence(problem.message) }
            if let advice = problem.advice { tag(.p, .class("advice")) { Words.sentence(advice) } }
            tag(.p) { tag(.a, .href(.overview)) { "Back to the overview" } }
        }
        guard let session else { return bare(title) { content } }
        return page(title, at: .login, for: session) { content }
    }

    private static func document(_ title: String, live: Route?, header: HTML, content: HTML) -> HTML {
        let root = tag(.html, Attribute("lang", "en")) {
            tag(.head) {
                tag(.meta, Attribute("charset", "utf-8"))
                tag(.meta, .name("viewport"), Attribute("content", "width=device-width, initial-scale=1"))
                tag(.meta, .name("color-scheme"), Attribute("content", "light dark"))
                tag(.title) { "\(title) – Goldsmith" }
                tag(.link, Attribute("rel", "stylesheet"), .href(.stylesheet))
                tag(.link, Attribute("rel", "icon"), Attribute("type", "image/svg+xml"), .href(.icon))
                tag(.script, Attribute("src", Route.script.address), Attribute("defer"))
            }
            tag(.body) {
                tag(.a, Attribute("href", "#content"), .class("skip")) { "Skip to the content" }
                tag(.header, .class("top")) {
                    tag(.a, .href(.overview), .class("brand")) {
                        tag(
                            .svg,
                            Attribute("viewBox", "0 0 20 20"),
                            Attribute("width", 20),
                            Attribute("height", 20),
                            .hidden
                        ) {
                            tag(
                                .rect,
                                Attribute("x", 2),
                                Attribute("y", 11),
                                Attribute("width", 16),
                                Attribute("height", 6),
                                Attribute("rx", 1)
                            )
                            tag(
                                .rect,
                                Attribute("x", 5),
                                Attribute("y", 4),
                                Attribute("width", 10),
                                Attribute("height", 5),
                                Attribute("rx", 1)
                            )
                        }
                        "Goldsmith"
                    }
                    header
                }
                tag(.main, .id("content"), Attribute("tabindex", "-1")) {
                    content
                    if let live {
                        tag(.footer, .class("live"), Attribute("data-updates", Route.updates(live.address).address)) {
                            tag(.span, .id("live-state")) { "Live updates are off." }
                            tag(.a, .href(live)) { "Refresh" }
                        }
                    }
                }
                tag(
                    .p,
                    .id("announcer"),
                    .class("unseen"),
                    Attribute("aria-live", "polite"),
                    Attribute("role", "status")
                )
            }
        }
        return .document(root)
    }
}

extension Route {
    fileprivate enum Area { case overview, images, instances, deadLetters, quotas }

    /// The entry of the navigation that this belongs to; `nil` for what has none.
    fileprivate var area: Area? {
        switch self {
        case .overview: .overview
        case .images, .image, .action, .request: .images
        case .instances, .instance: .instances
        case .deadLetters, .deadLetter, .replay, .discard: .deadLetters
        case .quotas, .quota: .quotas
        case .login, .logout, .updates, .stylesheet, .script, .icon, .document: nil
        }
    }
}
