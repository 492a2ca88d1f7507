class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(
        *,
        category: str,
        sampleName: str,
        thumbnailFileName: str,
        uris: str,
        fileNames: str,
        checksums: str,
        nodeNames: str,
        loadFileType: str,
    ) -> None: ...
