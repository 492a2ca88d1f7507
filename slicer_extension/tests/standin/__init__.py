"""What stands in for the Slicer application in tests: Qt, CTK and the application object. MRML and VTK are real."""
