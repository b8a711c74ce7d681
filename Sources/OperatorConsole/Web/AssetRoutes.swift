import HTTPTypes
import Hummingbird

/// The console's own files. Nothing else is ever loaded.
struct AssetRoutes {
    func add(to router: Router<ConsoleContext>) {
        serve(.stylesheet, PackageResources.console_css, "text/css; charset=utf-8", router)
        serve(.script, PackageResources.console_js, "text/javascript; charset=utf-8", router)
        serve(.icon, PackageResources.icon_svg, "image/svg+xml", router)
    }

    private func serve(_ route: Route, _ bytes: [UInt8], _ type: String, _ router: Router<ConsoleContext>) {
        router.get("\(route.address)") { _, _ in
            var response = Response.bytes(bytes, type: type)
            // The files change with the program only, and are requested again after its restart.
            response.headers[.cacheControl] = "no-cache"
            return response
        }
    }
}
