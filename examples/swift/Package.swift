// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "make-image",
    dependencies: [
        // In a project of your own: .package(url: "<the address of this repository>", branch: "main")
        .package(name: "goldsmith", path: "../.."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .executableTarget(
            name: "make-image",
            dependencies: [
                .product(name: "AMQPClient", package: "goldsmith"),
                .product(name: "Logging", package: "swift-log"),
            ]
        )
    ]
)
